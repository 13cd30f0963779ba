SELECT empty_chunk_work()
