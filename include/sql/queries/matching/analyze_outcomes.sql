SELECT analyze_work('work_outcome')
