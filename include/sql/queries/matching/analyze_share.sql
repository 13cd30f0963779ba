SELECT analyze_work('work_share')
