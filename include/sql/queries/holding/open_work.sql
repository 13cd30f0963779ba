SELECT open_holding_work()
