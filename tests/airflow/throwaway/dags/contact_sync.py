"""Every Airflow Dag of the throwaway project."""

from throwaway import ThrowawayOperator

from concord.airflow import render_dags

globals().update(render_dags(__file__, operator=ThrowawayOperator))
