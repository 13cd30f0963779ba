SELECT analyze_work('work_scope', 'work_advisory', 'work_pair', 'work_affected')
