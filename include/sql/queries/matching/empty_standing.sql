SELECT empty_standing_work()
