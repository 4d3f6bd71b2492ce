# One image for every Airflow component: the package, its Dags and its plugins.
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
FROM python:3.11-slim-bookworm

ARG TORCH_INDEX=""
WORKDIR /opt/nightloom

# The packages first: they change rarely, and the layer is large.
COPY requirements.lock requirements.txt ./
RUN python3 -m pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock \
    && python3 -m pip install --no-cache-dir "$(grep '^torch==' requirements.txt)" \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}

COPY pyproject.toml README.md LICENSE ./
COPY include include
COPY dags dags
COPY plugins plugins
RUN python3 -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && python3 -m pip check \
    && useradd --create-home --uid 50000 nightloom \
    && install -d -o nightloom /var/lib/nightloom

USER nightloom
ENV NIGHTLOOM_VAR_DIR=/var/lib/nightloom \
    AIRFLOW_HOME=/var/lib/nightloom/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/nightloom/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/nightloom/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False \
    GX_ANALYTICS_ENABLED=False \
    PYTHONUNBUFFERED=1
VOLUME /var/lib/nightloom
CMD ["airflow", "version"]
