# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
RUN python -m venv /opt/sidecar
WORKDIR /src
COPY requirements.lock .
RUN /opt/sidecar/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY sidecar sidecar
RUN /opt/sidecar/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
COPY --from=build /opt/sidecar /opt/sidecar
ENV PATH=/opt/sidecar/bin:$PATH PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 9900 9901
ENTRYPOINT ["sidecar"]
CMD ["serve"]
