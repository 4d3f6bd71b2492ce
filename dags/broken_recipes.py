"""Broken recipes: makes no Dag; Airflow shows what this file raises as an import error, with every mistake.

A recipe with mistakes has no Dags until it is mended, and the others go on. `nightloom recipe check FILE` says the
same on the command line.
"""

from nightloom.orchestration.dags import refuse_broken_recipes

refuse_broken_recipes()
