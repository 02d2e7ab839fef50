"""Every Dag of this project, for Airflow."""

from concord.airflow import render_dags

globals().update(render_dags(__file__))
