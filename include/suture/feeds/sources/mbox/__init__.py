"""stub"""
from suture.feeds.format import FeedFormat
FORMAT = FeedFormat("mbox", lambda *a, **k: None, (), True, "notice")
