-- The pages that a run which broke off has left, one window's only: those of another address, size or age do not count.
SELECT
    start_index,
    window_start,
    window_end,
    content,
    content_sha256
FROM feed_page
WHERE
    source = %(source)s
    AND url = %(url)s
    AND page_size = %(page_size)s
    AND fetched_at > %(newer_than)s
ORDER BY start_index
