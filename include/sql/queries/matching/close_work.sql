SELECT close_match_work()
