SELECT analyze_work('work_installed')
