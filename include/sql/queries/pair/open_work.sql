SELECT open_pair_work(%(in_place)s)
