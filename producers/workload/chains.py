"""Questions that need several steps: comparisons with an average, ranks, running sums, the day before."""

from dualgate.producers.workload.database import CHANNELS, DEVICES, OBJECTIVES
from dualgate.producers.workload.joins import COST, COST_KEYS
from dualgate.producers.workload.parameters import Parameters
from dualgate.producers.workload.plan import Filter, Item, Order, Plan, Scalar, Select


def above_average(p: Parameters) -> tuple[str, Plan]:
    """Campaigns whose spend is above the average campaign's."""
    (words, span), objective = p.span("spend.day"), p.one_of(OBJECTIVES)
    filters = (span, Filter("campaigns.objective", "=", (objective,)))
    items = (Item("campaigns.name", "name"), Item("SUM(spend.amount)", "total"))
    totals = Select(COST, items, COST_KEYS, p.account, filters, ("campaigns.name",))
    above = (Filter("totals.total", ">", (Scalar("AVG(total)", "totals"),)),)
    output = tuple(Item(f"totals.{c}", c) for c in ("name", "total"))
    final = Select(("totals",), output, filters=above, order=(Order("name"),))
    text = f"Which of our {objective} campaigns spent more than the average one of them {words}? Name and spend, by name."
    return text, Plan(final, (("totals", totals),))


def best_of_channel(p: Parameters) -> tuple[str, Plan]:
    """The campaigns with the most spend of each channel."""
    (words, span), k = p.span("spend.day"), p.number((1, 2))
    items = (Item("campaigns.channel", "channel"), Item("campaigns.name", "name"), Item("SUM(spend.amount)", "total"))
    totals = Select(COST, items, COST_KEYS, p.account, (span,), ("campaigns.channel", "campaigns.name"))
    rank = Item("RANK() OVER (PARTITION BY totals.channel ORDER BY totals.total DESC)", "place")
    columns = tuple(Item(f"totals.{c}", c) for c in ("channel", "name", "total"))
    ranked = Select(("totals",), (*columns, rank))
    output = tuple(Item(f"ranked.{c}", c) for c in ("channel", "name", "total"))
    final = Select(("ranked",), output, filters=(Filter("ranked.place", "<=", (k,)),), order=(Order("channel"), Order("name")))
    which = "campaign" if k == 1 else f"{k} campaigns"
    return f"Which {which} spent most on each channel {words}?", Plan(final, (("totals", totals), ("ranked", ranked)))


def strong_ads(p: Parameters) -> tuple[str, Plan]:
    """Number of ads with more clicks than the average ad."""
    (words, span), device = p.span("impressions.day"), p.one_of(DEVICES)
    filters = (span, Filter("impressions.device", "=", (device,)))
    items = (Item("impressions.ad_id", "ad_id"), Item("SUM(impressions.clicks)", "clicks"))
    per_ad = Select(("impressions",), items, (), p.account, filters, ("impressions.ad_id",))
    above = (Filter("per_ad.clicks", ">", (Scalar("AVG(clicks)", "per_ad"),)),)
    final = Select(("per_ad",), (Item("COUNT(*)", "n"),), filters=above)
    return f"How many ads got more {device} clicks than our average ad {words}?", Plan(final, (("per_ad", per_ad),))


def rising_days(p: Parameters) -> tuple[str, Plan]:
    """Days on which spend rose by at least so much against the day before."""
    (words, span), rise = p.span("spend.day"), p.number((50, 100, 150))
    items = (Item("spend.day", "day"), Item("SUM(spend.amount)", "total"))
    daily = Select(("spend",), items, (), p.account, (span,), ("spend.day",))
    change = Item("daily.total - LAG(daily.total) OVER (ORDER BY daily.day)", "rise")
    steps = Select(("daily",), (Item("daily.day", "day"), change))
    risen = (Filter("changes.rise", ">=", (rise,)),)
    final = Select(("changes",), (Item("changes.day", "day"),), filters=risen, order=(Order("day"),))
    text = f"On which days {words} was our spend at least {rise} above the day before (days of that span only)?"
    return text, Plan(final, (("daily", daily), ("changes", steps)))


def profitable(p: Parameters) -> tuple[str, Plan]:
    """Campaigns whose revenue on a device reaches a multiple of their spend."""
    words, span = p.span("impressions.day")
    channel = p.one_of(CHANNELS)
    tables = ("impressions", "ads")
    items = (Item("ads.campaign_id", "campaign_id"), Item("SUM(impressions.revenue)", "revenue"))
    earned = Select(tables, items, ("ad_id",), p.account, (span,), ("ads.campaign_id",))
    costs = (Item("spend.campaign_id", "campaign_id"), Item("SUM(spend.amount)", "cost"))
    paid = Select(("spend",), costs, (), p.account, (Filter("spend.day", "between", span.values),), ("spend.campaign_id",))
    output = (Item("campaigns.name", "name"), Item("earned.revenue - paid.cost", "profit"))
    filters = (Filter("campaigns.channel", "=", (channel,)),)
    keys = ("campaign_id", "campaign_id")
    order = (Order("profit", True), Order("name"))
    final = Select(("earned", "paid", "campaigns"), output, keys, p.account, filters, order=order)
    text = f"What did each {channel} campaign earn above its spend {words}, best first?"
    return text, Plan(final, (("earned", earned), ("paid", paid)))


def day_reached(p: Parameters) -> tuple[str, Plan]:
    """The first day on which the running total of spend reaches an amount."""
    (words, span), amount = p.span("spend.day"), p.number((3000, 5000, 8000))
    items = (Item("spend.day", "day"), Item("SUM(spend.amount)", "total"))
    daily = Select(("spend",), items, (), p.account, (span,), ("spend.day",))
    total = Item("SUM(daily.total) OVER (ORDER BY daily.day)", "so_far")
    running = Select(("daily",), (Item("daily.day", "day"), total))
    final = Select(("running",), (Item("MIN(running.day)", "day"),), filters=(Filter("running.so_far", ">=", (amount,)),))
    text = f"On which day did our running total of spend {words} reach {amount}?"
    return text, Plan(final, (("daily", daily), ("running", running)))


def best_days(p: Parameters) -> tuple[str, Plan]:
    """The day with the most clicks on each device; the earlier of equal ones."""
    words, span = p.span("impressions.day")
    items = (Item("impressions.device", "device"), Item("impressions.day", "day"), Item("SUM(impressions.clicks)", "clicks"))
    daily = Select(("impressions",), items, (), p.account, (span,), ("impressions.device", "impressions.day"))
    rank = Item("ROW_NUMBER() OVER (PARTITION BY daily.device ORDER BY daily.clicks DESC, daily.day)", "place")
    columns = tuple(Item(f"daily.{c}", c) for c in ("device", "day", "clicks"))
    ranked = Select(("daily",), (*columns, rank))
    output = tuple(Item(f"ranked.{c}", c) for c in ("device", "day", "clicks"))
    final = Select(("ranked",), output, filters=(Filter("ranked.place", "<=", (1,)),), order=(Order("device"),))
    text = f"Which day brought us the most clicks on each device {words}? The earlier of equal days."
    return text, Plan(final, (("daily", daily), ("ranked", ranked)))


TEMPLATES = (above_average, best_of_channel, strong_ads, rising_days, profitable, day_reached, best_days)
