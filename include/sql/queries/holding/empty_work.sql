SELECT empty_holding_work()
