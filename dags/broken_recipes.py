"""Broken recipes: makes no Dag. Airflow shows its error as an import error, with every mistake of every recipe.

A recipe with mistakes has no Dags until it is fixed. Other recipes are not affected. `nightloom recipe check FILE`
prints the same mistakes.
"""

from nightloom.orchestration.dags import refuse_broken_recipes

refuse_broken_recipes()
