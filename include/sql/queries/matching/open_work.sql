SELECT open_match_work()
