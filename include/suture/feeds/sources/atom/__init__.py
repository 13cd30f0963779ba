"""stub"""
from suture.feeds.format import FeedFormat
FORMAT = FeedFormat("atom", lambda *a, **k: None, (), True, "notice")
