SELECT open_pair_work()
