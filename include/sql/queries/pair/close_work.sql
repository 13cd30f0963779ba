SELECT close_pair_work()
