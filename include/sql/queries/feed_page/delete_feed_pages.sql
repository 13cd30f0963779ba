DELETE FROM feed_page
WHERE source = %(source)s
