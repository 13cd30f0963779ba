SELECT open_standing_work()
