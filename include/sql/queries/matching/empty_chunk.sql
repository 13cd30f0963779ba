SELECT empty_chunk_work(%(in_place)s)
