"""An Airflow Dag: billing keeps its own list of customers."""

from concord import subscribe


@subscribe("billing", __file__)
def billing(changes, subscription):
    """Keep billing/customers equal to what billing may see of golden/contacts."""
    subscription.publish(changes)
