SELECT open_decision_work()
