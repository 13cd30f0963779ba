INSERT INTO feed_page (
    source, start_index, url, page_size, window_start, window_end, content, content_sha256, fetched_at
)
VALUES (
    %(source)s, %(start_index)s, %(url)s, %(page_size)s, %(window_start)s, %(window_end)s, %(content)s,
    %(content_sha256)s, %(fetched_at)s
)
ON CONFLICT (source, start_index) DO UPDATE
    SET
        url = excluded.url,
        page_size = excluded.page_size,
        window_start = excluded.window_start,
        window_end = excluded.window_end,
        content = excluded.content,
        content_sha256 = excluded.content_sha256,
        fetched_at = excluded.fetched_at
