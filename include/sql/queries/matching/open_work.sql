SELECT open_match_work(%(in_place)s)
