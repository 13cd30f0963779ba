SELECT analyze_chunk_work()
