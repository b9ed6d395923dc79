import time

from liqheat_project.celery import app


@app.task
def run_endlessly():
    print("begun", flush=True)
    time.sleep(3600)
