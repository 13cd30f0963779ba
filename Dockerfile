# Suture's image: Airflow, Suture and its locked libraries, nothing else. The databases are given by URL.
#   docker build -t suture .
#   docker run -p 8080:8080 -e SUTURE_… suture api-server        (scheduler, dag-processor, triggerer alike)
# deploy/ says how the parts go together. The practice fleet does not run inside: it needs namespaces of its own.
FROM debian:12-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv openssh-client aptly gpgv gnupg ca-certificates tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --home-dir /home/suture suture

WORKDIR /opt/suture
COPY requirements.txt requirements-bootstrap.txt ./
COPY include/suture/command/bootstrap.py include/suture/command/bootstrap.py
RUN python3 -I include/suture/command/bootstrap.py /opt/suture image

COPY --chown=root:root . .
RUN mkdir -p /var/lib/suture && chown suture:suture /var/lib/suture

ENV PATH=/opt/suture/.venv/bin:$PATH \
    PYTHONPATH=/opt/suture/include:/opt/suture/plugins \
    SUTURE_HOME=/var/lib/suture \
    AIRFLOW_HOME=/var/lib/suture/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/suture/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/suture/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    GX_ANALYTICS_ENABLED=false \
    SCARF_ANALYTICS=false

USER suture
VOLUME /var/lib/suture
ENTRYPOINT ["tini", "--", "airflow"]
CMD ["api-server"]
