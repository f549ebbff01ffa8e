"""Aggregations over several tables."""

from dualgate.producers.workload.database import CHANNELS, DEVICES, FORMATS, OBJECTIVES, STATUSES
from dualgate.producers.workload.parameters import Parameters
from dualgate.producers.workload.plan import Filter, Item, Order, Plan, Select

DELIVERY, DELIVERY_KEYS = ("impressions", "ads", "campaigns"), ("ad_id", "campaign_id")
COST, COST_KEYS = ("spend", "campaigns"), ("campaign_id",)


def clicks_by_channel(p: Parameters) -> tuple[str, Plan]:
    """Clicks by channel, most first."""
    words, span = p.span("impressions.day")
    items = (Item("campaigns.channel", "channel"), Item("SUM(impressions.clicks)", "clicks"))
    order = (Order("clicks", True), Order("channel"))
    final = Select(DELIVERY, items, DELIVERY_KEYS, p.account, (span,), ("campaigns.channel",), order=order)
    return f"How many clicks did each channel bring us {words}, most first?", Plan(final)


def spend_by_objective(p: Parameters) -> tuple[str, Plan]:
    """Spend by objective over campaigns of a status."""
    (words, span), status = p.span("spend.day"), p.one_of(STATUSES)
    items = (Item("campaigns.objective", "objective"), Item("SUM(spend.amount)", "total_spend"))
    filters = (span, Filter("campaigns.status", "=", (status,)))
    final = Select(COST, items, COST_KEYS, p.account, filters, ("campaigns.objective",))
    return f"What did we spend {words} on each objective, counting {status} campaigns only?", Plan(final)


def top_campaigns(p: Parameters) -> tuple[str, Plan]:
    """Campaigns with the most conversions; equal ones by name."""
    (words, span), k, device = p.span("impressions.day"), p.number((3, 2, 5)), p.one_of(DEVICES)
    items = (Item("campaigns.name", "name"), Item("SUM(impressions.conversions)", "conversions"))
    filters = (span, Filter("impressions.device", "=", (device,)))
    order = (Order("conversions", True), Order("name"))
    final = Select(DELIVERY, items, DELIVERY_KEYS, p.account, filters, ("campaigns.name",), order=order, limit=k)
    return f"Which {k} campaigns had the most {device} conversions {words}? Equal ones by name.", Plan(final)


def revenue_by_device(p: Parameters) -> tuple[str, Plan]:
    """Revenue by device on a channel."""
    (words, span), channel = p.span("impressions.day"), p.one_of(CHANNELS)
    items = (Item("impressions.device", "device"), Item("SUM(impressions.revenue)", "revenue"))
    filters = (span, Filter("campaigns.channel", "=", (channel,)))
    final = Select(DELIVERY, items, DELIVERY_KEYS, p.account, filters, ("impressions.device",))
    return f"What revenue did {channel} bring us on each device {words}?", Plan(final)


def ads_per_campaign(p: Parameters) -> tuple[str, Plan]:
    """Number of ads of a status in each campaign; equal ones by name."""
    status, objective = p.one_of(STATUSES), p.one_of(OBJECTIVES)
    items = (Item("campaigns.name", "name"), Item("COUNT(*)", "n_ads"))
    filters = (Filter("ads.status", "=", (status,)), Filter("campaigns.objective", "=", (objective,)))
    order = (Order("n_ads", True), Order("name"))
    final = Select(("ads", "campaigns"), items, ("campaign_id",), p.account, filters, ("campaigns.name",), order=order)
    return f"How many {status} ads does each of our {objective} campaigns have, most first, equal ones by name?", Plan(final)


def clicks_by_kind(p: Parameters) -> tuple[str, Plan]:
    """Clicks by kind of channel for a format."""
    (words, span), kind = p.span("impressions.day"), p.one_of(FORMATS)
    items = (Item("channels.kind", "kind"), Item("SUM(impressions.clicks)", "clicks"))
    filters = (span, Filter("ads.format", "=", (kind,)))
    tables, keys = (*DELIVERY, "channels"), (*DELIVERY_KEYS, "channel")
    final = Select(tables, items, keys, p.account, filters, ("channels.kind",))
    return f"How many clicks did our {kind} ads get {words} by kind of channel (intent, audience, brand)?", Plan(final)


def heavy_campaigns(p: Parameters) -> tuple[str, Plan]:
    """Campaigns that spent at least so much in a span."""
    (words, span), amount = p.span("spend.day"), p.number((1500, 1000, 2000, 3000))
    items = (Item("campaigns.name", "name"), Item("SUM(spend.amount)", "total_spend"))
    having = Filter("SUM(spend.amount)", ">=", (amount,))
    final = Select(COST, items, COST_KEYS, p.account, (span,), ("campaigns.name",), having, (Order("name"),))
    return f"Which campaigns spent {amount} or more {words}, and how much? By name.", Plan(final)


def rate_by_format(p: Parameters) -> tuple[str, Plan]:
    """Click-through rate by format on a device."""
    (words, span), device = p.span("impressions.day"), p.one_of(DEVICES)
    rate = Item("1.0 * SUM(impressions.clicks) / SUM(impressions.views)", "click_rate")
    filters = (span, Filter("impressions.device", "=", (device,)))
    items = (Item("ads.format", "format"), rate)
    final = Select(("impressions", "ads"), items, ("ad_id",), p.account, filters, ("ads.format",))
    return f"What was the click-through rate of each ad format on {device} {words}?", Plan(final)


def views_of_format(p: Parameters) -> tuple[str, Plan]:
    """Views of a format in campaigns of an objective."""
    (words, span), kind, objective = p.span("impressions.day"), p.one_of(FORMATS), p.one_of(OBJECTIVES)
    filters = (span, Filter("ads.format", "=", (kind,)), Filter("campaigns.objective", "=", (objective,)))
    final = Select(DELIVERY, (Item("SUM(impressions.views)", "views"),), DELIVERY_KEYS, p.account, filters)
    return f"How often were the {kind} ads of our {objective} campaigns seen {words}?", Plan(final)


TEMPLATES = (
    clicks_by_channel,
    spend_by_objective,
    top_campaigns,
    revenue_by_device,
    ads_per_campaign,
    clicks_by_kind,
    heavy_campaigns,
    rate_by_format,
    views_of_format,
)
