"""The judge: prompts, client, journalled calls, verdict parser, rules judge, outcomes, costs."""
