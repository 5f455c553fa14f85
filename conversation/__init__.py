"""What a conversation with LUX is made of: turns on record, what a message asks for, facts, documents, tools, prompts.

chatbot.py puts them together. To teach it to answer something, write a function that returns a Fact (audience_facts.py,
system_facts.py, guidance.py) and list it in topics.py; to let the model ask for it too, add a row to tools.py.
"""
