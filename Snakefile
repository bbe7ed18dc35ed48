# Babelmix: raw instruction data -> translated pools -> language mixtures -> fine-tuned models ->
# answers -> judgements -> tables, figures and a report. One rule file a station, in the data's order.
#
# Needs:  a configuration (default config/config.yaml; any other by --configfile)
# Makes:  results/<study_set>/report/index.html and everything it stands on
# Try:    snakemake --cores 2 --configfile config/demo.yaml
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

sys.path.insert(0, str(Path(str(workflow.current_basedir)) / "workflow"))

from babelmix.errors import BabelmixError
from babelmix.plan import export_environment, load_jobs, restore_studies, write_resolved
from babelmix.plan.layout import settings_of
from babelmix.plan.sizes import memory
from babelmix.plan.verify import guard_results

export_environment()

if "study_set" not in config:

    configfile: "config/config.yaml"


try:
    restore_studies(config, workflow.configfiles)
    JOBS = load_jobs(config)
    setting = settings_of(JOBS)  # setting("train", "recipe"): a rule's parameter
    JOBS.limit_keys(workflow.global_resources)
    guard_results(JOBS, config, sys.argv[1:] if workflow.is_main_process else None)
except BabelmixError as error:
    raise WorkflowError(str(error)) from None


# Used as a module, `onstart` below is not called: check by hand (`python -m babelmix check`).
if workflow.is_main_process and not workflow.modifier.is_main_snakefile():
    write_resolved(config, JOBS)


RESOLVED = JOBS.path("config.resolved.json")


pathvars:
    set=JOBS.root,


# A language, and rows of two (`de_to_en`, see config/base.py).
LANG = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?"
TWO_LANGS = rf"{LANG}_(to|on|with)_{LANG}"
ROW_LANG = rf"{LANG}|{TWO_LANGS}"


wildcard_constraints:
    lang=LANG,
    shard=r"\d+",
    source=r"[^/.]+",
    dataset=r"[^/.]+",
    mixture=r"[^/.]+",
    model=r"[^/.]+",
    recipe=r"[^/.]+",
    benchmark=r"[^/.]+",
    evaluation=r"[^/]+",
    held_out=r"[^/]+",
    run=r"[^/]+",


onstart:
    try:
        write_resolved(config, JOBS)
    except BabelmixError as error:
        raise WorkflowError(str(error)) from None
    where = "" if workflow.local_exec else "--jobs-run-elsewhere"
    shell("python -m babelmix check --config {RESOLVED} {where}")


onsuccess:
    shell("python -m babelmix status --summary --config {RESOLVED}")


onerror:
    print(f"What failed, and why: python -m babelmix status --config {RESOLVED}")


include: "workflow/rules/sources.smk"
include: "workflow/rules/translate.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/pools.smk"
include: "workflow/rules/mixtures.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/answer.smk"
include: "workflow/rules/likelihood.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        JOBS.path("report/index.html"),
