"""The sweep of the throwaway project."""

from throwaway import Throwaway

from concord.airflow.sweep import main

main(Throwaway())
