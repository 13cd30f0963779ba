"""stub"""
from suture.feeds.format import FeedFormat
FORMAT = FeedFormat("csaf_provider", lambda *a, **k: None, (), True, "notice")
