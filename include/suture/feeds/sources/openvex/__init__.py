"""stub"""
from suture.feeds.format import FeedFormat
FORMAT = FeedFormat("openvex", lambda *a, **k: None, (), True, "notice")
