SELECT open_score_work()
