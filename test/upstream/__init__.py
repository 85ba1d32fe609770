"""A stand-in for the model providers: Replicate's HTTP API, its delivery host, its webhooks, and Cog's three servers.

Run as `python -m upstream` in the folder test/; tests start it with process.py. What each file does:

    app.py          start, ports, command line          control.py     /_sim/…: script, record, reset
    api.py          Replicate's routes                  faults.py      the named behaviours
    predictions.py  one prediction's life               wire.py        answers that break HTTP
    models.py       the models and their inputs         record.py      what was received, and counters
    pictures.py     outputs made from inputs            outputs.py     the delivery host
    files.py        the files API                       webhooks.py    the signed sender
    cog.py          Cog, in three flavours              nginx.py       TLS and HTTP/2 in front of it all
    comics.py       what Gemini is asked and writes     stories.py     the stories that it knows
    scenes.py       what Animagine draws
"""
