"""The feature list of OpenMLDB's JD recommendation demo: three keys and three tables at one request.

    headrace explain examples/graphs/openmldb.py:user
    headrace replay EVENTS QUERIES -o training.parquet \
        --graph examples/graphs/openmldb.py:user --graph examples/graphs/openmldb.py:item \
        --graph examples/graphs/openmldb.py:pair \
        --table member=... --table product=... --table comment=...

Others chose these features, for SQL: windows bounded by time and by rows, over requests of the user, over
weekly states of the item's comments, over actions of the user on the item. Users and products are tables that
do not change, comments one that does; each state is an event of its item as well. A query is a request:
user_id, item_id, ts_ms. As there, what happened in the very millisecond of the request counts (include_now),
the request itself too; windows are open at their early end here and closed there. Of equally frequent values
the latest stands first.

Of the list only the share of the most frequent value is missing: the largest count of a group is no feature.
The counts of all groups are one.
"""

from __future__ import annotations

import featuregraph as fg

ZONE = "Asia/Shanghai"


class RecRequest(fg.Event, name="rec_request"):
    """A request for recommendations, about one item."""

    item_id = fg.identifier()


class _Action(fg.Event):
    """What all actions carry."""

    cate = fg.category()
    brand = fg.category()


class Click(_Action, name="click"):
    """A click somewhere in the app, which alone knows its kind."""

    model_id = fg.int64()


class View(_Action, name="view"):
    """A product page."""


class CartAdd(_Action, name="cart_add"):
    """Into the cart."""


class CartRemove(_Action, name="cart_remove"):
    """Out of the cart."""


class Favorite(_Action, name="favorite"):
    """A product that was marked."""


class Order(_Action, name="order"):
    """A purchase."""


class CommentCount(fg.Event, name="comment_count"):
    """A week's state of an item's comments."""

    comment_num = fg.int64()  # a class of counts, 0 to 4
    has_bad_comment = fg.category()
    bad_comment_rate = fg.float64()


class Member(fg.Table, key=fg.identifier):
    """What is known of a user."""

    age = fg.category()
    sex = fg.category()
    level = fg.category()


class Product(fg.Table, key=fg.identifier):
    """What is known of an item."""

    a1 = fg.category()
    a2 = fg.category()
    a3 = fg.category()
    brand = fg.category()
    cate = fg.category()


class Comment(fg.Table, key=fg.identifier, changing=True):
    """The latest state of an item's comments."""

    comment_num = fg.int64()
    has_bad_comment = fg.category()
    bad_comment_rate = fg.float64()


class Asked(fg.Request):
    """Whom and what a request is about: the query's own key columns."""

    user_id = fg.identifier()
    item_id = fg.identifier()


class User:
    """By user: what else was asked about, and who asks."""

    _latest = fg.rows(RecRequest).last(11)  # this request and ten before it
    _fortnight = fg.rows(RecRequest).over("14d").last(200)

    items = _latest.distinct(RecRequest.item_id)
    requests_by_item = _latest.group_by(RecRequest.item_id).count()
    requests_of_item = requests_by_item.lookup(Asked.item_id)
    items_14d = _fortnight.distinct(RecRequest.item_id)
    requests_by_item_14d = _fortnight.group_by(RecRequest.item_id).count()
    weekday = fg.day_of_week(ZONE)
    is_workday = weekday < 5
    age = Member[Asked.user_id].age
    sex = Member[Asked.user_id].sex
    level = Member[Asked.user_id].level


class Item:
    """By item: its comments, and what it is."""

    _comments = fg.rows(CommentCount)
    _weeks = _comments.over("64d").last(100)

    bad_rate_high = _weeks.max(CommentCount.bad_comment_rate)
    bad_rate_low = _weeks.min(CommentCount.bad_comment_rate)
    comment_nums = _weeks.distinct(CommentCount.comment_num)
    bad_kinds = _weeks.distinct(CommentCount.has_bad_comment)
    top_bad_kinds = _weeks.topk(CommentCount.has_bad_comment, 3)
    top_comment_nums = _weeks.topk(CommentCount.comment_num, 3)
    bad_rate_low_of_ten = _comments.last(10).min(CommentCount.bad_comment_rate)
    comment_num = Comment[Asked.item_id].comment_num
    has_bad_comment = Comment[Asked.item_id].has_bad_comment
    bad_comment_rate = Comment[Asked.item_id].bad_comment_rate
    a1 = Product[Asked.item_id].a1
    a2 = Product[Asked.item_id].a2
    a3 = Product[Asked.item_id].a3
    brand = Product[Asked.item_id].brand
    cate = Product[Asked.item_id].cate


class Pair:
    """By user and item: what this user did with this item."""

    _acts = fg.rows(Click, View, CartAdd, CartRemove, Favorite, Order)
    _hours, _week, _fortnight = (
        _acts.over("10h").last(100),
        _acts.over("7d").last(100),
        _acts.over("14d").last(100),
    )

    top_brands_10h = _hours.topk(View.brand, 3)
    top_cates_10h = _hours.topk(View.cate, 3)
    models_7d = fg.rows(Click).over("7d").last(100).distinct(Click.model_id)
    top_models_7d = fg.rows(Click).over("7d").last(100).topk(Click.model_id, 3)
    top_kinds_7d = _week.topk(fg.event_name(), 3)
    models_14d = fg.rows(Click).over("14d").last(100).distinct(Click.model_id)
    kinds_14d = _fortnight.distinct(fg.event_name())
    top_kinds_14d = _fortnight.topk(fg.event_name(), 3)


user = fg.Graph("user", User, include_now=True)
item = fg.Graph("item", Item, key="item_id", include_now=True)
pair = fg.Graph("pair", Pair, key=("user_id", "item_id"), include_now=True)
