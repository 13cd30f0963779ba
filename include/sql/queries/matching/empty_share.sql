SELECT empty_work_share()
