"""The only importer of Airflow: Dags, operator, retries, the inline scheduler."""
