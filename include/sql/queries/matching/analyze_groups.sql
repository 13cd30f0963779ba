SELECT analyze_work('work_group')
