"""Look-ups in one table."""

from dualgate.producers.workload.database import CHANNELS, DEVICES, FORMATS, OBJECTIVES, STATUSES
from dualgate.producers.workload.parameters import Parameters
from dualgate.producers.workload.plan import Filter, Item, Order, Plan, Select

BY_NAME = (Order("name"),)


def campaigns_by_status(p: Parameters) -> tuple[str, Plan]:
    """Count campaigns of a status on a channel."""
    status, channel = p.one_of(STATUSES), p.one_of(CHANNELS)
    filters = (Filter("campaigns.status", "=", (status,)), Filter("campaigns.channel", "=", (channel,)))
    plan = Plan(Select(("campaigns",), (Item("COUNT(*)", "n"),), account=p.account, filters=filters))
    return f"How many of our {channel} campaigns are {status}?", plan


def ads_by_format(p: Parameters) -> tuple[str, Plan]:
    """Count ads of a format and status."""
    kind, status = p.one_of(FORMATS), p.one_of(STATUSES)
    filters = (Filter("ads.format", "=", (kind,)), Filter("ads.status", "=", (status,)))
    plan = Plan(Select(("ads",), (Item("COUNT(*)", "n"),), account=p.account, filters=filters))
    return f"How many {status} {kind} ads do we have?", plan


def campaigns_of_objective(p: Parameters) -> tuple[str, Plan]:
    """List names and budgets of campaigns from a budget on."""
    objective, budget = p.one_of(OBJECTIVES), p.number((100, 150, 200, 250))
    items = (Item("campaigns.name", "name"), Item("campaigns.daily_budget", "daily_budget"))
    filters = (Filter("campaigns.objective", "=", (objective,)), Filter("campaigns.daily_budget", ">=", (budget,)))
    plan = Plan(Select(("campaigns",), items, account=p.account, filters=filters, order=BY_NAME))
    return f"List our {objective} campaigns with a daily budget of {budget} or more, with their budgets, by name.", plan


def budget_of_objective(p: Parameters) -> tuple[str, Plan]:
    """The greatest budget of an objective since a start date."""
    objective, start = p.one_of(OBJECTIVES), p.one_of(("2025-01-08", "2025-01-15", "2025-01-22"))
    filters = (Filter("campaigns.objective", "=", (objective,)), Filter("campaigns.start_date", ">=", (start,)))
    item = Item("MAX(campaigns.daily_budget)", "highest_budget")
    plan = Plan(Select(("campaigns",), (item,), account=p.account, filters=filters))
    return f"What is the highest daily budget among our {objective} campaigns that started on {start} or later?", plan


def spend_in_span(p: Parameters) -> tuple[str, Plan]:
    """Sum spend over a span."""
    words, span = p.span("spend.day")
    plan = Plan(Select(("spend",), (Item("SUM(spend.amount)", "total_spend"),), account=p.account, filters=(span,)))
    return f"How much did we spend {words}?", plan


def clicks_on_device(p: Parameters) -> tuple[str, Plan]:
    """Sum clicks on a device over a span."""
    (words, span), device = p.span("impressions.day"), p.one_of(DEVICES)
    filters = (span, Filter("impressions.device", "=", (device,)))
    plan = Plan(Select(("impressions",), (Item("SUM(impressions.clicks)", "clicks"),), account=p.account, filters=filters))
    return f"How many clicks did our ads get on {device} {words}?", plan


def top_budgets(p: Parameters) -> tuple[str, Plan]:
    """The campaigns with the greatest budgets; equal budgets by name."""
    k, status = p.number((3, 2, 4)), p.one_of(STATUSES)
    items = (Item("campaigns.name", "name"), Item("campaigns.daily_budget", "daily_budget"))
    order = (Order("daily_budget", True), Order("name"))
    filters = (Filter("campaigns.status", "=", (status,)),)
    plan = Plan(Select(("campaigns",), items, account=p.account, filters=filters, order=order, limit=k))
    return f"Which {k} {status} campaigns of ours have the highest daily budgets? Equal budgets by name.", plan


def expensive_days(p: Parameters) -> tuple[str, Plan]:
    """Count campaign days with at least so much spend."""
    (words, span), amount = p.span("spend.day"), p.number((200, 150, 250, 100))
    filters = (span, Filter("spend.amount", ">=", (amount,)))
    plan = Plan(Select(("spend",), (Item("COUNT(*)", "n"),), account=p.account, filters=filters))
    return f"On how many campaign days {words} did we spend at least {amount}?", plan


TEMPLATES = (
    campaigns_by_status,
    ads_by_format,
    campaigns_of_objective,
    budget_of_objective,
    spend_in_span,
    clicks_on_device,
    top_budgets,
    expensive_days,
)
