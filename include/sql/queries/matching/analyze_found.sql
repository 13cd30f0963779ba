SELECT analyze_work('work_found', 'work_place')
