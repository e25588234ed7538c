# Two images: `--target service` with the page and without torch, `--target worker` with torch.
FROM node:24.19.0-bookworm-slim AS page
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund
COPY web ./
RUN npm run build

FROM python:3.13.9-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /src
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9 && python -m venv --without-pip /opt/venv
COPY pyproject.toml constraints.txt LICENSE ./
COPY bakehouse bakehouse
COPY service service
COPY worker worker
COPY cookbook cookbook
COPY web/build.py web/hatch_build.py web/

FROM build AS build-service
COPY --from=page /src/web/dist web/dist
RUN /opt/uv/bin/uv pip install --no-cache --python /opt/venv -c constraints.txt '.[service]'

FROM build AS build-worker
# `cpu`, or a CUDA version for which torch has wheels, such as `cu130`.
ARG TORCH_BACKEND=cpu
RUN /opt/uv/bin/uv pip install --no-cache --python /opt/venv -c constraints.txt --torch-backend "$TORCH_BACKEND" '.[worker]'

FROM python:3.13.9-slim-bookworm AS base
# The folder exists in the image because a new volume takes its owner from it.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin bakehouse \
    && install -d -o bakehouse -g bakehouse /var/lib/bakehouse
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BAKEHOUSE_HOME=/var/lib/bakehouse
WORKDIR /var/lib/bakehouse
USER 10001:10001

FROM base AS service
COPY --from=build-service /opt/venv /opt/venv
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz/live', timeout=4)"]
CMD ["python", "-P", "-m", "service"]

FROM base AS worker
COPY --from=build-worker /opt/venv /opt/venv
CMD ["python", "-P", "-m", "worker.main"]
