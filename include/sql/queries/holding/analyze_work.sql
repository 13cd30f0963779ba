SELECT analyze_work('work_marked')
