"""Search for bits a layer within an accuracy budget; `icepoint.search` is the function."""

from .evaluate import Point
from .metric import Budget
from .plan import SearchPlan
from .result import SearchResult
from .search import search

__all__ = ["Budget", "Point", "SearchPlan", "SearchResult", "search"]
