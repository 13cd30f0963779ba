SELECT analyze_work('work_decision')
