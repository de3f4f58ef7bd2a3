# freqtrade's image with torch, and this project beside it. Not built here: see docs/how-to/docker.md.
FROM freqtradeorg/freqtrade:2026.9_freqaitorch

COPY --chown=ftuser:ftuser freqaimodels/ /opt/freqai-rnn/freqaimodels/
COPY --chown=ftuser:ftuser strategies/ /opt/freqai-rnn/strategies/
COPY --chown=ftuser:ftuser config/ /opt/freqai-rnn/config/

# The configuration's paths of models and strategies are relative to this folder.
WORKDIR /opt/freqai-rnn
