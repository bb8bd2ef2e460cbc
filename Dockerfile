# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/sidecar
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN pip install --no-deps --require-hashes -r requirements-build.lock
RUN /opt/sidecar/bin/pip install --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY sidecar sidecar
RUN hatchling build --target wheel --directory /dist
RUN /opt/sidecar/bin/pip install --no-deps /dist/*.whl

FROM python:3.11-slim
COPY --from=build /opt/sidecar /opt/sidecar
ENV PATH=/opt/sidecar/bin:$PATH PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 9900 9901
ENTRYPOINT ["sidecar"]
CMD ["serve"]
