"""stub"""
from suture.feeds.format import FeedFormat
FORMAT = FeedFormat("stix", lambda *a, **k: None, (), True, "notice")
